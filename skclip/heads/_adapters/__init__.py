"""Text head beside what labelled images say through a kernel: Tip-Adapter and kernel ridge."""
