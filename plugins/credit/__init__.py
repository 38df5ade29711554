"""Public credit 经济信息化."""
