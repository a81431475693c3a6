"""A table of one's own matched into a folder: `counterpart match-table`, in memory or by Spark."""
