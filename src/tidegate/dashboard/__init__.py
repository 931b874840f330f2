"""A page in the browser that shows objects, plots, reasons and logs to who has its token; it only reads."""
