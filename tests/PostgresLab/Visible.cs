[assembly: System.Runtime.CompilerServices.InternalsVisibleTo("DbRecovery.PostgreSql.Tests")]
[assembly: System.Runtime.CompilerServices.InternalsVisibleTo("DbRecovery.Integration.Tests")]
