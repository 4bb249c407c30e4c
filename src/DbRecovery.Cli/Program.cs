using DbRecovery.Cli;

return await App.MainAsync(args);
