Console.WriteLine("exo-weights");
