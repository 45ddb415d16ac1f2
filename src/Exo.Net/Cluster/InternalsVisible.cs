using System.Runtime.CompilerServices;

// The handshake's messages are internal; its tests make them by hand.
[assembly: InternalsVisibleTo("Exo.Net.Tests")]
