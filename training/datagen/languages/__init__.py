"""Questions in other languages than English; `multilingual` is the door."""
