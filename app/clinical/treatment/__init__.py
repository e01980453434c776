"""First-line treatment of MIS-C, and when anakinra is added: IVIG, aspirin, indication."""
