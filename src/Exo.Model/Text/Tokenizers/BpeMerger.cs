namespace Exo.Model.Text;

/// <summary>A merge: its place in the list of merges (lower goes first) and the token that it makes.</summary>
internal readonly record struct BpeMerge(int Rank, int Id)
{
    public static ulong Key(int left, int right) => (ulong)(uint)left << 32 | (uint)right;
}

/// <summary>
/// Merges the symbols of one piece: a linked list of symbols and a heap of possible merges, ordered by rank, then position.
/// A merge whose symbols have changed since it entered the heap is passed over when it comes up.
/// </summary>
internal static class BpeMerger
{
    private const int None = -1;

    private struct Link
    {
        public int Id, Previous, Next;
        public bool IsGone;
    }

    public static void Merge(List<int> symbols, Dictionary<ulong, BpeMerge> merges, List<int> ids)
    {
        if (symbols.Count == 0)
            return;
        var links = new Link[symbols.Count];
        for (int i = 0; i < links.Length; i++)
            links[i] = new() { Id = symbols[i], Previous = i - 1, Next = i + 1 < links.Length ? i + 1 : None };

        // The id travels along: it tells whether the pair is still the one that was queued.
        var queue = new PriorityQueue<(int Position, int Id), ulong>(links.Length);
        for (int i = 0; i + 1 < links.Length; i++)
            Enqueue(i);
        while (queue.TryDequeue(out var candidate, out _))
        {
            int left = candidate.Position;
            int right = links[left].Next;
            if (links[left].IsGone || right == None
                || !merges.TryGetValue(BpeMerge.Key(links[left].Id, links[right].Id), out var merge) || merge.Id != candidate.Id)
                continue;
            links[left].Id = merge.Id;
            links[left].Next = links[right].Next;
            links[right].IsGone = true;
            if (links[left].Next != None)
            {
                links[links[left].Next].Previous = left;
                Enqueue(left);
            }
            if (links[left].Previous != None)
                Enqueue(links[left].Previous);
        }
        for (int i = 0; i != None; i = links[i].Next)
            ids.Add(links[i].Id);

        void Enqueue(int left)
        {
            if (merges.TryGetValue(BpeMerge.Key(links[left].Id, links[links[left].Next].Id), out var merge))
                queue.Enqueue((left, merge.Id), (ulong)(uint)merge.Rank << 32 | (uint)left);
        }
    }
}
