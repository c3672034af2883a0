"""From a solution to a callable: laying its sources out as files, and loading its entry."""
