namespace Exo.Kernels;
