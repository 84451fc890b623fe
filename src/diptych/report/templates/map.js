(() => {
  const map = document.querySelector(".map");
  if (!map) return;
  const told = JSON.parse(document.getElementById("documents").textContent);
  const tip = map.querySelector(".tip");
  const panels = [...map.querySelectorAll("figure > svg")].map((svg) => {
    const dots = [...svg.querySelectorAll("circle:not(.ring)")];
    const shots = [...svg.querySelectorAll(".shot")];
    return { svg, dots, shots, ring: svg.querySelector(".ring"), at: dots.map((d) => [+d.getAttribute("cx"), +d.getAttribute("cy")]) };
  });

  function nearest({ svg, at }, event) {
    const matrix = svg.getScreenCTM();
    const here = new DOMPoint(event.clientX, event.clientY).matrixTransform(matrix.inverse());
    let best = -1, least = (18 / matrix.a) ** 2;
    at.forEach(([x, y], i) => {
      const d = (x - here.x) ** 2 + (y - here.y) ** 2;
      if (d < least) [best, least] = [i, d];
    });
    return best;
  }

  function picture([left, top], side) {
    const make = (name) => document.createElementNS(panels[0].svg.namespaceURI, name);
    const svg = make("svg"), use = make("use");
    svg.setAttribute("viewBox", [left, top, side, side].join(" "));
    use.setAttribute("href", "#sheet");
    svg.append(use);
    return svg;
  }

  function show(i, event) {
    for (const { ring, at } of panels) {
      ring.style.visibility = i < 0 ? "hidden" : "visible";
      if (i >= 0) [ring.cx.baseVal.value, ring.cy.baseVal.value] = at[i];
    }
    tip.style.visibility = i < 0 ? "hidden" : "visible";
    if (i < 0) return;
    tip.textContent = told.texts[i];
    if (told.places && told.places[i]) tip.prepend(picture(told.places[i], told.pixels));
    if (told.labels[i]) {
      const label = document.createElement("b");
      label.textContent = told.labels[i];
      tip.prepend(label);
    }
    const left = Math.min(event.clientX + 16, innerWidth - tip.offsetWidth - 12);
    const above = event.clientY + 20 + tip.offsetHeight > innerHeight;
    tip.style.left = Math.max(12, left) + "px";
    tip.style.top = (above ? event.clientY - tip.offsetHeight - 16 : event.clientY + 20) + "px";
  }

  for (const panel of panels) {
    for (const kind of ["pointermove", "pointerdown"])
      panel.svg.addEventListener(kind, (event) => show(nearest(panel, event), event));
    panel.svg.addEventListener("pointerleave", (event) => show(-1, event));
  }

  for (const button of map.querySelectorAll(".legend button"))
    button.addEventListener("click", () => {
      const on = button.getAttribute("aria-pressed") !== "true";
      for (const other of map.querySelectorAll(".legend button")) other.setAttribute("aria-pressed", other === button && on);
      map.classList.toggle("focused", on);
      for (const { dots, shots } of panels)
        for (const dot of [...dots, ...shots]) dot.classList.toggle("lit", on && dot.classList.contains(button.value));
    });
})();
