"""What trials run: tasks, students, teachers, distillation and the training loop. Knows nothing about Ray."""
