"""What QueryForge remembers: conversations, feedback, pairs, saved questions, who ran what. Only this writes."""
