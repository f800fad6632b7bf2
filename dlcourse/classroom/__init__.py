"""What a teacher needs: handouts, slides and grading, by nbconvert and nbgrader (needs the extra ``classroom``)."""
