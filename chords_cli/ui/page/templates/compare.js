"use strict";
(() => {
  const at = (id) => document.getElementById(id);
  const takes = [...document.querySelectorAll(".take")];
  const stage = at("stage"), divider = at("divider"), gain = at("gain");
  const sides = { left: at("left"), right: at("right") };
  let take = takes[0];

  const results = () => [...take.querySelectorAll(".result")];
  const named = (arm) => results().find((one) => one.dataset.arm === arm);
  const mode = () => document.querySelector("input[name=mode]:checked").value;

  function shape() {
    const one = results()[0];
    const width = one.naturalWidth || one.videoWidth, height = one.naturalHeight || one.videoHeight;
    if (!width) return;
    stage.style.setProperty("--aspect", width / height);
    document.body.classList.toggle("small-pixels", width < 320);
  }

  function show(side) {
    const copy = named(sides[side].value).cloneNode();
    copy.removeAttribute("id");
    copy.muted = true;
    if (copy.tagName === "VIDEO") copy.currentTime = results()[0].currentTime || 0;
    at(`layer-${side}`).replaceChildren(copy);
    at(`tag-${side}`).textContent = sides[side].value;
    if (playing) copy.play();
  }

  function divide() {
    const slides = mode() === "slide";
    at("layer-left").style.clipPath = slides ? `inset(0 ${100 - divider.value}% 0 0)` : "";
    at("rule").style.left = `${divider.value}%`;
    const names = Object.values(sides).map((side) => side.value);
    divider.ariaValueText = `${Math.round(divider.value)}% ${names.join(", then ")}`;
    stage.classList.toggle("difference", !slides);
    at("gain-label").hidden = slides;
    at("gain-out").textContent = gain.value;
    for (const layer of ["layer-left", "layer-right"]) at(layer).style.filter = "";
    stage.style.filter = slides ? "" : `brightness(${gain.value})`;
  }

  function choose(number) {
    take = takes.find((one) => one.dataset.take === number) || takes[0];
    for (const one of takes) one.hidden = one !== take;
    shape();
    for (const side of ["left", "right"]) show(side);
  }

  const play = at("play"), seek = at("seek");
  let playing = false;
  const players = () => [...take.querySelectorAll("video"), ...stage.querySelectorAll("video")];

  function toggle(on) {
    playing = on;
    play.textContent = on ? "❚❚" : "▶";
    play.ariaLabel = on ? "Pause all" : "Play all";
    for (const video of players()) on ? video.play() : video.pause();
    if (on) requestAnimationFrame(follow);
  }

  function follow() {
    const [first, ...others] = players();
    if (first.ended) {
      for (const video of players()) { video.currentTime = 0; video.play(); }
    } else {
      for (const video of others)
        if (Math.abs(video.currentTime - first.currentTime) > 0.08) video.currentTime = first.currentTime;
    }
    tell(first);
    if (playing) requestAnimationFrame(follow);
  }

  function tell(video) {
    seek.value = video.duration ? video.currentTime / video.duration : 0;
    at("clock").textContent = seek.ariaValueText = `${video.currentTime.toFixed(1)} s`;
  }

  if (play) {
    play.addEventListener("click", () => toggle(!playing));
    seek.addEventListener("input", () => {
      for (const video of players()) video.currentTime = seek.value * (video.duration || 0);
      tell(players()[0]);
    });
  }

  const names = results().map((one) => one.dataset.arm);
  for (const side of Object.values(sides))
    for (const name of names) side.append(new Option(name, name));
  for (const [side, select] of Object.entries(sides)) select.value = at("viewer").dataset[side];
  for (const side of ["left", "right"]) sides[side].addEventListener("change", () => { show(side); divide(); });
  for (const one of document.querySelectorAll("input[name=mode], #gain, #divider"))
    one.addEventListener("input", divide);
  if (at("take")) at("take").addEventListener("change", (event) => choose(event.target.value));
  for (const one of document.querySelectorAll(".result"))
    one.addEventListener(one.tagName === "VIDEO" ? "loadedmetadata" : "load", shape);

  const numbers = at("numbers");
  numbers.style.setProperty("--measures", numbers.querySelectorAll("thead th").length);
  const PAPER = 640;  // pixels that every printer's page is wide
  function fit(width) {
    numbers.style.width = width ? `${width}px` : "";
    for (const shape of ["", "turned", "stacked"]) {
      numbers.className = `numbers ${shape}`;
      if (numbers.scrollWidth <= numbers.clientWidth) break;
    }
    numbers.style.width = "";
  }
  for (const when of ["resize", "load", "afterprint"]) window.addEventListener(when, () => fit());
  window.addEventListener("beforeprint", () => fit(PAPER));
  fit();

  for (const one of document.querySelectorAll(".timeline"))
    one.addEventListener("click", (event) => {
      const shape = event.target.closest("rect, .message, circle");
      one.querySelector(".told").textContent = shape ? shape.querySelector("title").textContent : "";
    });

  const copy = at("copy");
  if (navigator.clipboard) {
    copy.hidden = false;
    copy.addEventListener("click", async () => {
      await navigator.clipboard.writeText(at("command").textContent);
      copy.textContent = "copied";
    });
  }
  at("viewer").hidden = false;
  choose(takes[0].dataset.take);
  divide();
})();
