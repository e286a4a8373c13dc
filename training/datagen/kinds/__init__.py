"""The kinds of questions that stand alone, a file for each subject; `training.datagen.questions` lists them."""
