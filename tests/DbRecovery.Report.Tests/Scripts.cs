namespace DbRecovery.Report.Tests;

/// <summary>Programs that run inside the page.</summary>
internal static class Scripts
{
    /// <summary>The contrast (WCAG 2.2) of every text with what is behind it; those under 4.5 are weak.</summary>
    public const string Contrast = """
        (() => {
          const parse = c => { const p = c.match(/[\d.]+/g).map(Number); return p.length < 4 ? [...p, 1] : p; };
          const over = (a, b) => [0, 1, 2].map(i => a[i] * a[3] + b[i] * (1 - a[3])).concat(1);
          const light = c => { const [r, g, b] = c.slice(0, 3).map(v => { v /= 255; return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; }); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
          const ground = e => { const layers = []; for (; e; e = e.parentElement) layers.push(parse(getComputedStyle(e).backgroundColor)); return layers.reverse().reduce((below, c) => over(c, below), [255, 255, 255, 1]); };
          const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
          const weak = []; let texts = 0;
          for (let n; (n = walker.nextNode());) {
            const e = n.parentElement;
            if (!n.data.trim() || e.closest('script, title, desc, .skip') || !e.checkVisibility()) continue;
            texts++;
            const behind = ground(e), style = getComputedStyle(e), ink = over(parse(e instanceof SVGElement ? style.fill : style.color), behind);
            const [a, b] = [light(ink), light(behind)].sort((x, y) => y - x);
            const ratio = (a + 0.05) / (b + 0.05);
            if (ratio < 4.5) weak.push(`${ratio.toFixed(2)} ${n.data.trim().slice(0, 40)}`);
          }
          return { texts, weak: weak.slice(0, 10) };
        })()
        """;
}
