/** A text that says something: at least one character that is no space. */
export const NOT_BLANK = { minLength: 1, pattern: '\\S' } as const
