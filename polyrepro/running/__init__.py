"""How runs are executed: jobs, processes, GPUs, signals, and the records that they leave."""
