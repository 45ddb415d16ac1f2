using Exo.Kernels;

namespace Exo.Net.Cluster;

/// <summary>What a node brings to any plan: how it makes devices and finds models. The host decides both.</summary>
/// <param name="CreateDevice">Makes the device that a plan asks for; the plan disposes it.</param>
/// <param name="FindModel">The folder of a model that a plan names.</param>
public sealed record NodeServices(Func<RankModel, Device> CreateDevice, Func<string, string> FindModel);
