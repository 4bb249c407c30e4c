'use strict';
(function () {
  var all = function () { return Array.prototype.slice.call(document.querySelectorAll('details')); };
  var button = document.getElementById('unfold');
  button.hidden = false;
  button.addEventListener('click', function () {
    var open = all().some(function (d) { return !d.open; });
    all().forEach(function (d) { d.open = open; });
    button.textContent = open ? 'Close all details' : 'Open all details';
  });
  // paper cannot be unfolded
  var folded = [];
  window.addEventListener('beforeprint', function () {
    folded = all().filter(function (d) { return !d.open; });
    folded.forEach(function (d) { d.open = true; });
  });
  window.addEventListener('afterprint', function () { folded.forEach(function (d) { d.open = false; }); });
})();
