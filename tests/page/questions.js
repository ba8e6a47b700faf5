// What the tests ask of a page. Each function returns a list of what is wrong, or what there is.
window.questions = {
  // Plots without a drawing, and marks of a drawing without anything in them.
  emptyMarks() {
    return [...document.querySelectorAll("figure.plot")].flatMap((figure) => {
      const drawing = figure.querySelector(".drawing svg");
      if (!drawing) return [`${figure.id}: no drawing`];
      const seen = [...drawing.querySelectorAll("path, rect, circle, line, text")].some((one) => {
        const box = one.getBBox();
        return box.width > 0 || box.height > 0;
      });
      const marks = [...drawing.querySelectorAll(".role-mark:not(.mark-group)")];
      const empty = marks.filter((one) => !one.childElementCount).map((one) => one.getAttribute("class"));
      return [...(seen ? [] : ["nothing is seen"]), ...empty].map((one) => `${figure.id}: ${one}`);
    });
  },

  // What reaches over the right edge of the screen, but for what scrolls inside something.
  tooWide() {
    const hidden = ["auto", "scroll", "hidden"];
    const scrolls = (one) => one && (hidden.includes(getComputedStyle(one).overflowX) || scrolls(one.parentElement));
    const whole = document.documentElement.scrollWidth;
    const wide = [...document.body.querySelectorAll("*")]
      .filter((one) => !one.closest("svg") || one.matches("svg"))
      .filter((one) => one.getBoundingClientRect().right > innerWidth + 1 && !scrolls(one.parentElement))
      .map((one) => `${one.tagName} ${one.className}: ${one.textContent.slice(0, 40)}`);
    return [...(whole > innerWidth ? [`the page: ${whole} pixels`] : []), ...wide];
  },

  // Texts whose colour is too close to what lies behind them (WCAG 2.2, 1.4.3): 4.5 to 1, and 3 to 1 for large ones.
  pale() {
    const parse = (colour) => (colour.match(/[\d.]+/g) ?? [0, 0, 0, 0]).map(Number);
    const linear = (one) => (one <= 0.04045 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4);
    const luminance = ([r, g, b]) =>
      0.2126 * linear(r / 255) + 0.7152 * linear(g / 255) + 0.0722 * linear(b / 255);
    const over = (ink, paper) => [0, 1, 2].map((i) => ink[i] * (ink[3] ?? 1) + paper[i] * (1 - (ink[3] ?? 1)));
    const behind = (one) => {
      for (let at = one; at; at = at.parentElement) {
        const found = parse(getComputedStyle(at).backgroundColor);
        if (found.length < 4 || found[3] === 1) return found;
      }
      return [255, 255, 255];
    };
    const found = new Set(), texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    for (let node = texts.nextNode(); node; node = texts.nextNode()) {
      const one = node.parentElement;
      if (!node.data.trim() || one.closest("script, style, template") || !one.checkVisibility()) continue;
      const style = getComputedStyle(one), cell = questions.cellBehind(one);
      const paper = cell ? over(cell, behind(one)) : behind(one);
      const ink = over(parse(one.closest("svg") ? style.fill : style.color), paper);
      const [high, low] = [luminance(ink), luminance(paper)].sort((a, b) => b - a);
      const ratio = (high + 0.05) / (low + 0.05), size = parseFloat(style.fontSize);
      const large = size >= 24 || (size >= 18.66 && style.fontWeight >= 700);
      if (ratio < (large ? 3 : 4.5)) found.add(`${ratio.toFixed(2)}: ${node.data.trim().slice(0, 40)}`);
    }
    return [...found];
  },

  // The colour of the cell of a drawing that a text stands on; none elsewhere.
  cellBehind(text) {
    const drawing = text.closest("svg");
    if (!drawing) return null;
    const box = text.getBoundingClientRect(), x = box.x + box.width / 2, y = box.y + box.height / 2;
    const inside = (one) => {
      const its = one.getBoundingClientRect();
      return its.left <= x && x <= its.right && its.top <= y && y <= its.bottom;
    };
    const filled = (one) => !["none", "rgba(0, 0, 0, 0)"].includes(getComputedStyle(one).fill);
    const cells = [...drawing.querySelectorAll(".mark-rect.role-mark path, rect.cell")];
    const [cell] = cells.filter((one) => inside(one) && filled(one)).slice(-1);
    if (!cell) return null;
    const style = getComputedStyle(cell);
    const [r, g, b] = style.fill.match(/[\d.]+/g).map(Number);
    return [r, g, b, style.fillOpacity * style.opacity];
  },

  // The data of each plot, and the rows of the table beside it: their names, and their numbers as they were.
  plots() {
    return plots.map((plot, i) => {
      const rows = [...figures[i].querySelector("details.table table").tBodies[0].rows];
      const numbers = (row) => [...row.querySelectorAll("data")].map((one) => JSON.parse(one.value));
      const read = (row) => ({ name: row.cells[0].textContent.trim(), numbers: numbers(row) });
      return { id: plot.id, marks: plot.marks.map((mark) => ({ ...EMPTY, ...mark })), rows: rows.map(read) };
    });
  },

  // Plots whose drawing was given other data.
  differing() {
    const same = (mark, drawn) => Object.keys(mark).every((key) => mark[key] === drawn[key]);
    const isOther = (plot, i) => {
      const drawn = views.get(figures[i])?.data("marks") ?? [];
      return drawn.length !== plot.marks.length || !plot.marks.every((mark, k) => same(mark, drawn[k]));
    };
    return plots.filter(isOther).map((plot) => plot.id);
  },

  lostLinks() {
    const links = [...document.querySelectorAll('a[href^="#"]')];
    return links.map((one) => one.hash).filter((hash) => !document.getElementById(hash.slice(1)));
  },

  ids() {
    return [...document.querySelectorAll("[id]")].filter((one) => !one.closest("svg")).map((one) => one.id);
  },

  // What can be reached or is named by role, and has no name.
  nameless() {
    const named = (one) => one.ariaLabel || one.getAttribute("aria-labelledby") || one.textContent.trim();
    return [...document.querySelectorAll("a, button, summary, nav, [role=img], [role=region], [tabindex]")]
      .filter((one) => !one.closest(".drawing svg *") && !named(one))
      .map((one) => one.outerHTML.slice(0, 120));
  },

  // What scrolls and cannot be reached, or can be reached and does not scroll.
  wrongStops() {
    return [...document.querySelectorAll(".scroll")]
      .filter((one) => one.checkVisibility())
      .filter((one) => one.scrollWidth > one.clientWidth + 1 !== one.hasAttribute("tabindex"))
      .map((one) => `${one.ariaLabel}: ${one.scrollWidth} of ${one.clientWidth}`);
  },

  bareTables() {
    const named = (one) => one.caption || one.ariaLabel || one.getAttribute("aria-labelledby");
    return [...document.querySelectorAll("table")]
      .filter((one) => !one.querySelector("th[scope=row]") || !named(one))
      .map((one) => one.outerHTML.slice(0, 150));
  },

  // Where the keyboard is: the place among all elements, and whether it is seen.
  focus() {
    const at = document.activeElement, style = getComputedStyle(at);
    const outlined = (style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0) || style.boxShadow !== "none";
    return [[...document.querySelectorAll("*")].indexOf(at), outlined, at.outerHTML.slice(0, 100)];
  },

  visible(selector) {
    return [...document.querySelectorAll(selector)].filter((one) => one.checkVisibility()).length;
  },

  folded(selector) {
    return [...document.querySelectorAll(selector)].filter((one) => !one.checkVisibility()).length;
  },

  // What a click on the first plot's button of that name would save: its type, and its bytes.
  exported(name, done) {
    const original = URL.createObjectURL;
    URL.createObjectURL = (blob) => {
      blob.arrayBuffer().then((all) => done([blob.type, [...new Uint8Array(all)]]));
      return original.call(URL, blob);
    };
    [...document.querySelectorAll("figure.plot button")].find((one) => one.textContent === name).click();
  },
};
