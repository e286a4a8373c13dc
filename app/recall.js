// Up in the empty question box brings the last question back, to be edited; Up and Down go on through the others, as in
// a shell. The questions come as data and reach nothing but the value of the box. Sends nothing anywhere.

const BOX = '[data-testid="stChatInputTextArea"]';
const HINT = "Press Up to edit your last question.";

// React hears of a new value only when the browser's own setter wrote it.
const writeValue = Object.getOwnPropertyDescriptor(HTMLTextAreaElement.prototype, "value").set;

export default function (component) {
  const { data, parentElement } = component;
  const questions = data?.questions ?? [];
  const known = parentElement.recall;
  if (known) {
    // Called again for new questions: what listens already goes on with them.
    known.take(questions);
    return known.stop;
  }
  parentElement.recall = listen(questions, parentElement);
  return parentElement.recall.stop;
}

function listen(given, parentElement) {
  const status = parentElement.querySelector("[role=status]");
  let questions = given;
  let place = questions.length; // one past the last: nothing is brought back yet

  function show(box, to) {
    place = to;
    const text = questions[place] ?? "";
    writeValue.call(box, text);
    box.dispatchEvent(new Event("input", { bubbles: true }));
    box.setSelectionRange(text.length, text.length);
    status.textContent = text ? `Question ${place + 1} of ${questions.length}: ${text}` : "Empty";
  }

  function onKeyDown(event) {
    const box = event.target;
    if (!(box instanceof HTMLTextAreaElement) || !box.matches(BOX)) return;
    if (event.isComposing || event.shiftKey || event.altKey || event.ctrlKey || event.metaKey) return;
    // What a person typed or changed is theirs: there, the keys move the caret as ever.
    if (box.value === "") place = questions.length;
    else if (box.value !== questions[place]) return;
    if (event.key === "ArrowUp" && place > 0) show(box, place - 1);
    else if (event.key === "ArrowDown" && place < questions.length) show(box, place + 1);
    else return;
    event.preventDefault();
  }

  function describe(event) {
    if (event.target instanceof HTMLTextAreaElement && event.target.matches(BOX))
      event.target.setAttribute("aria-description", HINT);
  }

  document.addEventListener("keydown", onKeyDown);
  document.addEventListener("focusin", describe);
  return {
    take(newer) {
      questions = newer;
      place = questions.length;
    },
    stop() {
      document.removeEventListener("keydown", onKeyDown);
      document.removeEventListener("focusin", describe);
      delete parentElement.recall;
    },
  };
}
