namespace DbRecovery.Report;

/// <summary>
/// How much stands on one page. What is over a limit is summed up or left out, and the page says so: a page of many megabytes
/// is read by nobody.
/// </summary>
internal static class ReportLimits
{
    /// <summary>Incidents that are told whole.</summary>
    public const int WholeIncidents = 30;
    /// <summary>Incidents that have a line of their own.</summary>
    public const int ListedIncidents = 500;
    /// <summary>Backups that have a line of their own.</summary>
    public const int ListedBackups = 200;
    /// <summary>Results of drills that have a line of their own.</summary>
    public const int ListedDrills = 300;
    /// <summary>Clusters whose days of backups are drawn, and damages whose drills are.</summary>
    public const int Pictures = 60;
    /// <summary>Results in the picture of one damage.</summary>
    public const int Points = 30;
    /// <summary>Lines of one table inside an incident, a repository or a health report.</summary>
    public const int Lines = 150;
    /// <summary>Values of a list that are shown.</summary>
    public const int Values = 12;
    /// <summary>Characters of one text.</summary>
    public const int Characters = 1200;
    /// <summary>Clusters in the tables.</summary>
    public const int Clusters = 500;
}
