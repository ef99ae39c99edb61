"""How work is kept: output files, records of finished pieces, pools of workers."""
