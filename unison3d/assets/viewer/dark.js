// Light and dark. The server begins every page light, and does not know the browser. So the box
// "Dark page" is ticked here: as somebody left it in this browser, else as the browser prefers.
(() => {
  const KEY = 'unison3d-dark';
  const night = matchMedia('(prefers-color-scheme: dark)');
  let box = null;
  let byHand = true;

  // A browser that keeps nothing refuses its storage.
  const chosen = () => {
    try { return localStorage.getItem(KEY); } catch { return null; }
  };
  const keep = value => {
    try { localStorage.setItem(KEY, value); } catch { /* as before then */ }
  };
  const wanted = () => (chosen() === null ? night.matches : chosen() === 'yes');

  const apply = () => {
    if (box === null || box.checked === wanted()) return;
    byHand = false;
    box.click();
    byHand = true;
  };

  // viser makes the box when it is connected, and another one when it is connected again.
  new MutationObserver(() => {
    const label = [...document.querySelectorAll('label')]
      .find(({ textContent }) => textContent === 'Dark page');
    const found = label && label.control;
    if (!found) return;
    const isNew = box === null || found.id !== box.id;
    box = found;
    if (isNew) apply();
  }).observe(document, { childList: true, subtree: true });

  addEventListener('change', ({ target }) => {
    if (byHand && box !== null && target.id === box.id) keep(target.checked ? 'yes' : 'no');
  }, true);
  night.addEventListener('change', apply);
})();
