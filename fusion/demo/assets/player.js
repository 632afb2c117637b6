"use strict";
(function () {
  const data = JSON.parse(document.getElementById("data").textContent);
  const get = function (id) { return document.getElementById(id); };
  const seek = get("seek"), play = get("play"), head = get("head"), speed = get("speed");
  const tiles = Array.from(document.querySelectorAll("figure[data-camera]"));
  let timer = null;

  function source(base64) { return "data:image/webp;base64," + base64; }

  function show(index) {
    const frame = data.frames[index], phase = data.phases[frame.phase];
    tiles.forEach(function (tile, i) {
      const image = frame.cameras[i];
      tile.classList.toggle("lost", image === null);
      if (image !== null) { tile.querySelector("img").src = source(image); }
    });
    get("bev").src = source(frame.bev);
    get("above").classList.toggle("lost", phase.lost.indexOf(data.lidar) >= 0);
    get("phase").textContent = phase.title;
    get("phase").classList.toggle("bad", phase.lost.length > 0);
    get("found").textContent = frame.found;
    get("objects").textContent = frame.objects;
    get("alarms").textContent = frame.alarms;
    get("used").textContent = frame.used;
    get("clock").textContent = frame.time.toFixed(1) + " s";
    seek.value = index;
    seek.setAttribute("aria-valuetext", frame.time.toFixed(1) + " seconds, " + phase.title);
    head.style.setProperty("--at", index);
  }

  function stop() {
    clearTimeout(timer);
    timer = null;
    play.textContent = "Play";
    play.setAttribute("aria-pressed", "false");
  }

  function next() {
    const index = Number(seek.value);
    if (index + 1 >= data.frames.length) { stop(); return; }
    show(index + 1);
    wait();
  }

  function wait() {
    const index = Number(seek.value), after = data.frames[Math.min(index + 1, data.frames.length - 1)];
    const pause = Math.max(0.05, Math.min(2, after.time - data.frames[index].time)) / Number(speed.value);
    timer = setTimeout(next, 1000 * pause);
  }

  function start() {
    if (Number(seek.value) + 1 >= data.frames.length) { show(0); }
    play.textContent = "Pause";
    play.setAttribute("aria-pressed", "true");
    wait();
  }

  play.addEventListener("click", function () { if (timer === null) { start(); } else { stop(); } });
  seek.addEventListener("input", function () { stop(); show(Number(seek.value)); });
  get("tracks").addEventListener("click", function (event) {
    const bar = document.querySelector("#tracks .bar").getBoundingClientRect();
    const at = Math.floor((event.clientX - bar.left) / bar.width * data.frames.length);
    if (at >= 0) { stop(); show(Math.min(at, data.frames.length - 1)); }
  });
  document.addEventListener("keydown", function (event) {
    if (event.key === " " && event.target === document.body) { event.preventDefault(); play.click(); }
  });

  const asked = parseInt(location.hash.slice(1), 10);
  if (asked >= 0 && asked < data.frames.length) { show(asked); return; }
  show(0);
  if (!matchMedia("(prefers-reduced-motion: reduce)").matches) { start(); }
})();
