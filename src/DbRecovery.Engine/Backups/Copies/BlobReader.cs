namespace DbRecovery.Engine.Backups;

/// <summary>A blob that was read, decoded and checked, with its compressed bytes.</summary>
internal sealed record CheckedBlob(PackEntry Entry, byte[] Data, byte[] Payload);

/// <summary>Reads blobs on every core and gives them in order, a bounded number at a time.</summary>
internal static class BlobReader
{
    /// <summary>Reads blobs in the order of their places; null for one whose bytes are not what was written.</summary>
    public static async IAsyncEnumerable<(BlobLocation Location, CheckedBlob? Blob)> ReadAsync(BackupRepository repository, IEnumerable<BlobLocation> places, ZstdLibrary? zstd,
        [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancellationToken)
    {
        using var codecs = new CodecPool(zstd);
        var ahead = new Queue<(BlobLocation, Task<CheckedBlob?>)>();
        try
        {
            foreach (var place in places)
            {
                ahead.Enqueue((place, Task.Run(() => ReadAsync(repository, place, codecs, cancellationToken), cancellationToken)));
                if (ahead.Count >= Environment.ProcessorCount * 2)
                    yield return await NextAsync().ConfigureAwait(false);
            }
            while (ahead.Count > 0)
                yield return await NextAsync().ConfigureAwait(false);
        }
        finally
        {
            // they hold contexts of the pool
            foreach (var (_, left) in ahead)
                await left.ContinueWith(static _ => { }, CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default).ConfigureAwait(false);
        }

        async Task<(BlobLocation, CheckedBlob?)> NextAsync()
        {
            var (place, reading) = ahead.Peek();
            var blob = await reading.ConfigureAwait(false);
            ahead.Dequeue();
            return (place, blob);
        }
    }

    /// <summary>Reads one blob; null where its bytes are not what was written.</summary>
    public static async Task<CheckedBlob?> ReadAsync(BackupRepository repository, BlobLocation place, CodecPool codecs, CancellationToken cancellationToken)
    {
        var codec = codecs.Rent();
        try
        {
            var (data, payload) = (new byte[place.Entry.RawLength], new byte[place.Entry.StoredLength]);
            var length = await PackReader.TryReadPayloadAsync(repository, place, codec, data, payload, cancellationToken).ConfigureAwait(false);
            return length is null ? null : new CheckedBlob(place.Entry, data, length == payload.Length ? payload : payload[..length.Value]);
        }
        finally
        {
            codecs.Return(codec);
        }
    }
}
