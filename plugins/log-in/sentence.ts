/** A problem's detail as it stands in a page, before its full stop. */
export const sentence = (detail: string) => detail.charAt(0).toUpperCase() + detail.slice(1)
