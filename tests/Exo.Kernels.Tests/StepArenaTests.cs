using System.Diagnostics;
using Xunit;

namespace Exo.Kernels.Tests;

public sealed unsafe class StepArenaTests
{
    [Fact]
    public void Tensors_of_a_step_do_not_overlap_and_are_aligned()
    {
        using var arena = new StepArena();
        Tensor[] tensors = [.. Enumerable.Range(1, 50).Select(i => arena.Allocate(i, 1 + (i * 997 % 5000)))];
        for (int i = 0; i < tensors.Length; i++) new Span<float>(tensors[i].Pointer, tensors[i].NumRows * tensors[i].NumColumns).Fill(i);
        for (int i = 0; i < tensors.Length; i++)
        {
            Assert.Equal(0, tensors[i].Address % 64);
            Assert.False(new Span<float>(tensors[i].Pointer, tensors[i].NumRows * tensors[i].NumColumns).ContainsAnyExcept((float)i));
        }
    }

    [Fact]
    public void A_step_like_the_one_before_needs_no_further_memory()
    {
        using var arena = new StepArena();
        void Step()
        {
            arena.Reset();
            for (int i = 0; i < 10; i++) arena.Allocate(300, 1000);
        }
        Step();
        Step();
        nint held = arena.CapacityBytes;
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 5; i++) Step();
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
        Assert.Equal(held, arena.CapacityBytes);
    }

    [Fact]
    public void A_tensor_used_after_the_reset_of_its_step_is_caught_in_debug_builds()
    {
        if (!IsDebugBuild()) return;
        using var arena = new StepArena();
        Tensor tensor = arena.Allocate(2, 3), view = tensor.Columns(1, 2);
        arena.Reset();
        RequireAssertion(() => _ = tensor.Address);
        RequireAssertion(() => _ = view.Address);
    }

    [Fact]
    public void Memory_of_a_finished_step_is_NaN_in_debug_builds()
    {
        if (!IsDebugBuild()) return;
        using var arena = new StepArena();
        float* address = arena.Allocate(4, 4).Pointer;
        new Span<float>(address, 16).Fill(1f);
        arena.Reset();
        Assert.Equal(float.NaN, address[15]);
    }

    [Fact]
    public void Sizes_that_are_no_shape_are_refused()
    {
        using var arena = new StepArena();
        Assert.Throws<ShapeException>(() => arena.Allocate(-1, 3));
        Assert.Throws<ShapeException>(() => arena.Allocate(2, 3).Rows(1, 3));
        Assert.Throws<ShapeException>(() => arena.Allocate(2, 3).Columns(2, 1));
    }

    private static bool IsDebugBuild() =>
        typeof(StepArena).Assembly.GetCustomAttributes(false).OfType<DebuggableAttribute>().Any(attribute => attribute.IsJITOptimizerDisabled);

    private static void RequireAssertion(Action action)
    {
        TraceListener[] listeners = [.. Trace.Listeners.Cast<TraceListener>()];
        Trace.Listeners.Clear();
        Trace.Listeners.Add(new ThrowingListener());
        try
        {
            Assert.Throws<AssertionFailedException>(action);
        }
        finally
        {
            Trace.Listeners.Clear();
            Trace.Listeners.AddRange(listeners);
        }
    }

    private sealed class AssertionFailedException(string? message) : Exception(message);

    private sealed class ThrowingListener : TraceListener
    {
        public override void Fail(string? message, string? detailMessage) => throw new AssertionFailedException(message);

        public override void Write(string? message)
        {
            // Only failures matter here.
        }

        public override void WriteLine(string? message)
        {
            // Only failures matter here.
        }
    }
}
