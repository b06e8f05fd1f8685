"""The Python interface: functions, the open atlas, and typed results."""
