using Exo.Testing.Kernels;

namespace Exo.Kernels.Tests.Contract;

/// <summary>
/// What a device must be: equal to the reference, bit for bit. Heirs supply the devices; every case is run on the reference once and on
/// each of them.
/// </summary>
public abstract class DeviceContractTests : IDisposable
{
    private readonly Device[] _subjects;

    protected DeviceContractTests(Device[] subjects) => _subjects = subjects;

    public void Dispose()
    {
        foreach (Device subject in _subjects) subject.Dispose();
    }

    protected void Check(KernelCase kernelCase) => kernelCase.RequireEqual(_subjects);
}
