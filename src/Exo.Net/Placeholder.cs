namespace Exo.Net;
