using System.Text.Json.Nodes;

namespace DbRecovery.Report.Tests;

/// <summary>One browser and the pages that it looks at.</summary>
public sealed class BrowserFixture : IAsyncLifetime
{
    private readonly string _folder = Path.Combine(Path.GetTempPath(), $"dbrecovery-report-{Guid.NewGuid():N}");

    internal Chromium? Browser { get; private set; }

    internal string File(string page) => Path.Combine(_folder, page + ".html");

    public async Task InitializeAsync()
    {
        if (Chromium.Executable is null)
            return;
        Directory.CreateDirectory(_folder);
        foreach (var (name, model) in new[] { ("rich", Sample.Rich()), ("adverse", Sample.Adverse()), ("empty", new ReportModel { MadeAt = Sample.Now }) })
            await System.IO.File.WriteAllTextAsync(File(name), ReportWriter.Write(model));
        Browser = await Chromium.StartAsync();
    }

    public async Task DisposeAsync()
    {
        if (Browser is not null)
            await Browser.DisposeAsync();
        if (Directory.Exists(_folder))
            Directory.Delete(_folder, recursive: true);
    }
}

/// <summary>The page as a reader meets it: looked at, driven by keys, listened to and printed.</summary>
public sealed class BrowserTests(BrowserFixture fixture) : IClassFixture<BrowserFixture>
{
    private const string OpenAll = "document.querySelectorAll('details').forEach(d => d.open = true)";

    private async Task<Chromium> OpenAsync(string page, int width = 1600, string scheme = "light", string medium = "screen")
    {
        var browser = fixture.Browser!;
        await browser.SizeAsync(width, 900);
        await browser.MediaAsync(medium, scheme);
        await browser.OpenAsync(fixture.File(page));
        return browser;
    }

    [ChromiumTheory]
    [InlineData("rich"), InlineData("adverse"), InlineData("empty")]
    public async Task Nothing_is_fetched_and_nothing_is_complained_of(string page)
    {
        var browser = await OpenAsync(page);
        await browser.EvaluateAsync(OpenAll);
        await browser.EvaluateAsync("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))");
        var events = browser.Events;
        var requested = events.Where(e => e.Method == "Network.requestWillBeSent").Select(e => e.Parameters!["request"]!["url"]!.GetValue<string>()).ToList();
        Assert.Equal([new Uri(fixture.File(page)).AbsoluteUri], requested);
        Assert.DoesNotContain(events, e => e.Method is "Log.entryAdded" or "Runtime.exceptionThrown" or "Runtime.consoleAPICalled" or "Page.javascriptDialogOpening");
    }

    [ChromiumFact]
    public async Task Text_from_outside_stays_text()
    {
        var browser = await OpenAsync("adverse");
        Assert.Equal(1, (await browser.EvaluateAsync("document.scripts.length"))!.GetValue<int>());
        Assert.Equal(1, (await browser.EvaluateAsync("document.querySelectorAll('style').length"))!.GetValue<int>());
        Assert.Equal(0, (await browser.EvaluateAsync("document.querySelectorAll('img, iframe, object, embed, link, base, form, b').length"))!.GetValue<int>());
        Assert.Equal("", (await browser.EvaluateAsync("[...document.querySelectorAll('*')].flatMap(e => [...e.attributes]).filter(a => a.name.startsWith('on') || a.name === 'style').map(a => a.name).join()"))!.GetValue<string>());
        var text = (await browser.EvaluateAsync("document.body.textContent"))!.GetValue<string>();
        foreach (var hostile in Sample.Hostile.Where(h => h.All(c => c is >= ' ' and < '\u2000') && h.Length < 100))
            Assert.Contains(hostile, text, StringComparison.Ordinal);
        Assert.Contains("[U+202E]", text, StringComparison.Ordinal);
        Assert.DoesNotContain('\u202E', text);
    }

    [ChromiumTheory]
    [InlineData("rich", 360), InlineData("rich", 1600), InlineData("adverse", 360), InlineData("adverse", 1600), InlineData("empty", 360), InlineData("empty", 1600)]
    public async Task The_page_never_scrolls_sideways(string page, int width)
    {
        var browser = await OpenAsync(page, width);
        await browser.EvaluateAsync(OpenAll);
        var wide = await browser.EvaluateAsync("document.documentElement.scrollWidth - document.documentElement.clientWidth");
        Assert.Equal(0, wide!.GetValue<int>());
    }

    [ChromiumTheory]
    [InlineData("light"), InlineData("dark")]
    public async Task Every_text_stands_out_from_its_ground(string scheme)
    {
        var browser = await OpenAsync("rich", scheme: scheme);
        await browser.EvaluateAsync(OpenAll);
        var found = (await browser.EvaluateAsync(Scripts.Contrast))!;
        Assert.True(found["texts"]!.GetValue<int>() > 1000, found.ToJsonString());
        Assert.Empty(found["weak"]!.AsArray().Select(w => w!.GetValue<string>()));
        var ground = (await browser.EvaluateAsync("getComputedStyle(document.body).backgroundColor"))!.GetValue<string>();
        Assert.Equal(scheme == "dark" ? "rgb(20, 24, 27)" : "rgb(251, 251, 250)", ground);
    }

    [ChromiumFact]
    public async Task A_screen_reader_finds_its_way()
    {
        var browser = await OpenAsync("rich");
        await browser.EvaluateAsync(OpenAll);
        var nodes = (await browser.SendAsync("Accessibility.getFullAXTree"))["nodes"]!.AsArray().Where(n => n!["ignored"]?.GetValue<bool>() != true)
            .Select(n => (Role: n!["role"]?["value"]?.GetValue<string>() ?? "", Name: n["name"]?["value"]?.ToString() ?? "", Node: n)).ToList();
        foreach (var landmark in new[] { "banner", "navigation", "main", "contentinfo" })
            Assert.Single(nodes, n => n.Role == landmark);
        foreach (var role in new[] { "region", "table", "image", "link", "button", "article", "navigation" })
        {
            // an article of a card is named by its heading or has none; all others must say what they are
            Assert.Contains(nodes, n => n.Role == role);
            if (role is not "article")
                Assert.DoesNotContain(nodes, n => n.Role == role && n.Name.Length == 0);
        }
        var levels = nodes.Where(n => n.Role == "heading").Select(n => int.Parse(n.Node["properties"]!.AsArray().First(p => p!["name"]!.GetValue<string>() == "level")!["value"]!["value"]!.ToString(), System.Globalization.CultureInfo.InvariantCulture)).ToList();
        Assert.Single(levels, 1);
        Assert.Equal(1, levels[0]);
        Assert.All(levels.Zip(levels.Skip(1)), pair => Assert.True(pair.Second <= pair.First + 1, $"a heading of level {pair.Second} follows one of level {pair.First}"));
        Assert.Contains(nodes, n => n.Role == "columnheader");
        Assert.Contains(nodes, n => n.Role == "rowheader");
        Assert.Equal("en", (await browser.EvaluateAsync("document.documentElement.lang"))!.GetValue<string>());
    }

    [ChromiumFact]
    public async Task The_tab_key_reaches_everything_in_order_and_shows_where_it_is()
    {
        var browser = await OpenAsync("rich");
        await browser.EvaluateAsync("""
            globalThis.stops = [...document.querySelectorAll('a[href], button, summary, [tabindex="0"]')].filter(e => e.checkVisibility({ contentVisibilityAuto: true, visibilityProperty: true }));
            """);
        var count = (await browser.EvaluateAsync("stops.length"))!.GetValue<int>();
        Assert.True(count > 40, $"{count} stops");
        for (var i = 0; i < count; i++)
        {
            await browser.PressAsync("Tab", 9);
            var at = (await browser.EvaluateAsync("""
                (() => {
                  const e = document.activeElement, s = getComputedStyle(e), r = e.getBoundingClientRect();
                  return { index: stops.indexOf(e), what: e.outerHTML.slice(0, 80), outline: s.outlineStyle !== 'none' && parseFloat(s.outlineWidth) >= 2, seen: r.bottom > 0 && r.top < innerHeight && r.width > 0 };
                })()
                """))!;
            Assert.True(at["index"]!.GetValue<int>() == i && at["outline"]!.GetValue<bool>() && at["seen"]!.GetValue<bool>(), $"stop {i}: {at.ToJsonString()}");
        }
    }

    [ChromiumFact]
    public async Task On_paper_everything_is_open_and_dark_on_white()
    {
        var browser = await OpenAsync("rich", scheme: "dark", medium: "print");
        var hidden = await browser.EvaluateAsync("[...document.querySelectorAll('details > :not(summary)')].filter(e => !e.checkVisibility() || e.getBoundingClientRect().height === 0).length");
        Assert.Equal(0, hidden!.GetValue<int>());
        Assert.True((await browser.EvaluateAsync("[...document.querySelectorAll('details')].some(d => !d.open)"))!.GetValue<bool>());
        Assert.Equal("rgb(255, 255, 255)", (await browser.EvaluateAsync("getComputedStyle(document.body).backgroundColor"))!.GetValue<string>());
        Assert.Empty((await browser.EvaluateAsync(Scripts.Contrast))!["weak"]!.AsArray().Select(w => w!.GetValue<string>()));
        var pdf = await browser.SendAsync("Page.printToPDF", new JsonObject { ["preferCSSPageSize"] = true });
        Assert.StartsWith("%PDF", System.Text.Encoding.ASCII.GetString(Convert.FromBase64String(pdf["data"]!.GetValue<string>()), 0, 8), StringComparison.Ordinal);
    }

    [ChromiumFact]
    public async Task Without_scripts_the_page_is_whole()
    {
        var browser = fixture.Browser!;
        await browser.SendAsync("Emulation.setScriptExecutionDisabled", new JsonObject { ["value"] = true });
        try
        {
            await OpenAsync("rich");
            var text = (await browser.EvaluateAsync("document.body.innerText"))!.GetValue<string>();
            Assert.Contains("What needs a person", text, StringComparison.Ordinal);
            Assert.DoesNotContain("Open all details", text, StringComparison.Ordinal);
            Assert.Equal(4, (await browser.EvaluateAsync("document.querySelectorAll('.incident .timeline svg').length"))!.GetValue<int>());
        }
        finally
        {
            await browser.SendAsync("Emulation.setScriptExecutionDisabled", new JsonObject { ["value"] = false });
        }
    }

    [ChromiumFact]
    public async Task The_button_opens_and_closes_all_details()
    {
        var browser = await OpenAsync("rich");
        const string closed = "[...document.querySelectorAll('details')].filter(d => !d.open).length";
        Assert.NotEqual(0, (await browser.EvaluateAsync(closed))!.GetValue<int>());
        await browser.EvaluateAsync("document.getElementById('unfold').click()");
        Assert.Equal(0, (await browser.EvaluateAsync(closed))!.GetValue<int>());
        await browser.EvaluateAsync("document.getElementById('unfold').click()");
        Assert.Equal(0, (await browser.EvaluateAsync("document.querySelectorAll('details[open]').length"))!.GetValue<int>());
    }
}
