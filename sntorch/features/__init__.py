"""Numbers that summarise light curves: of the observations themselves, and of fits."""
