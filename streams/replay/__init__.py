"""Does the log still give what was published? The same processors, without Faust, over the same records."""
