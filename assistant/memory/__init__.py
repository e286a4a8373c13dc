"""What QueryForge remembers: feedback, question-SQL pairs and saved questions. The only package that writes."""
