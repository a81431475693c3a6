"""The mathematics, on plain numbers and arrays. No Spark here."""
