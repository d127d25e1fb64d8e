/**
 * What was typed into a form, kept in this tab until it is stored. With it the page's one-time key, so that a sending
 * whose end nobody saw is repeated and not doubled.
 */

/** Fields of the page that are of its own log-in. */
const OWN = new Set(['csrf_token'])

const nameOf = (form) => `draft of ${form.getAttribute('action')}`

/** `sending`: a sending was begun and its end is not known. */
export function keepDraft(form, sending) {
  try {
    sessionStorage.setItem(
      nameOf(form),
      JSON.stringify({ sending, values: [...new FormData(form)].filter(([name]) => !OWN.has(name)) })
    )
  } catch {
    // storage may be full or forbidden: the form still works, without surviving a reload
  }
}

export function forgetDraft(form) {
  try {
    sessionStorage.removeItem(nameOf(form))
  } catch {}
}

/** Fills the form in from its draft; answers whether its sending was begun. */
export function restoreDraft(form) {
  const { sending = false, values = [] } = readDraft(form)
  if (!values.length) return false
  for (const field of form.elements) {
    if (!field.name || OWN.has(field.name)) continue
    const kept = values.filter(([name]) => name === field.name).map(([, value]) => value)
    if (field.type === 'checkbox') field.checked = kept.includes(field.value)
    else field.value = kept[0] ?? ''
  }
  return sending
}

function readDraft(form) {
  try {
    return JSON.parse(sessionStorage.getItem(nameOf(form)) ?? '{}')
  } catch {
    return {}
  }
}
