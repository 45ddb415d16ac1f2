using Exo.Kernels;
using Exo.Model.Generation;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.DependencyInjection;

namespace Exo.Model.Chat;

/// <summary>Dependency injection: `services.AddExo("path/to/model", () => CpuDevice.Create())`.</summary>
public static class ServiceCollectionExtensions
{
    /// <summary>
    /// Adds an <see cref="Engine"/> (loaded when first asked for, disposed with the container) and its <see cref="IChatClient"/>.
    /// </summary>
    public static IServiceCollection AddExo(this IServiceCollection services, string model, Func<Device> createDevice, EngineOptions? options = null)
    {
        services.AddSingleton(_ => Engine.Load(createDevice(), ModelLocator.Find(model), options));
        services.AddSingleton<IChatClient>(provider => new EngineChatClient(provider.GetRequiredService<Engine>(), model));
        return services;
    }
}
