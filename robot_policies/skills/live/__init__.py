"""Skills that change while their policy acts."""
