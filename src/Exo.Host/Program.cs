Console.WriteLine("exo");
