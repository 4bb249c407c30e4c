// most of a test's time is spent waiting for processes
[assembly: CollectionBehavior(MaxParallelThreads = 4)]
