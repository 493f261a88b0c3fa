"""What is delay-scoring, the work that we and others are measured on? Jobs in, features by courier, a forest's answer out."""
