namespace Exo.Model.Generation;

/// <summary>Which pages of the cache are free. A request takes all it may ever need when it is admitted, so it never waits half-way.</summary>
internal sealed class PagePool
{
    private readonly Stack<int> _free;

    public PagePool(int numPages)
    {
        NumPages = numPages;
        _free = new Stack<int>(Enumerable.Range(0, numPages).Reverse());
    }

    /// <summary>Pages in all.</summary>
    public int NumPages { get; }

    /// <summary>Takes <paramref name="count"/> pages, or none.</summary>
    public bool TryTake(int count, List<int> pages)
    {
        if (_free.Count < count) return false;
        for (int i = 0; i < count; i++) pages.Add(_free.Pop());
        return true;
    }

    /// <summary>Gives pages back.</summary>
    public void Return(List<int> pages)
    {
        foreach (int page in pages) _free.Push(page);
        pages.Clear();
    }
}
