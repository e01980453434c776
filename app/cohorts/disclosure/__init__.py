"""What may leave about a cohort under a disclosure policy: `release` decides, `levels` says what has to be safe."""
