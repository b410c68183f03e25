// Fingers. A browser captures every touch for the element it begins on. viser takes any capture for
// a handle that is being dragged, so that taps in the picture, and rectangles drawn with a finger,
// do nothing. So each touch is set free before viser looks at it; the mouse is never captured.
addEventListener('pointerdown', ({ target, pointerId }) => {
  if (target.hasPointerCapture && target.hasPointerCapture(pointerId)) {
    target.releasePointerCapture(pointerId);
  }
}, true);
