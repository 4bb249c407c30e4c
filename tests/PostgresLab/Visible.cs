[assembly: System.Runtime.CompilerServices.InternalsVisibleTo("DbRecovery.PostgreSql.Tests")]
