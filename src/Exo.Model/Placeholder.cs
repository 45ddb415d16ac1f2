namespace Exo.Model;
