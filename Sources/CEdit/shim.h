#pragma once
#include <histedit.h>
#include <stdio.h>

/* el_set and history are variadic, and stdin and stdout are mutable globals: Swift 6 can use neither. */
static inline EditLine *cedit_init(const char *program) { return el_init(program, stdin, stdout, stderr); }
static inline void cedit_set_client_data(EditLine *editor, void *data) { el_set(editor, EL_CLIENTDATA, data); }
static inline void *cedit_client_data(EditLine *editor) {
    void *data = NULL;
    el_get(editor, EL_CLIENTDATA, &data);
    return data;
}
static inline void cedit_set_prompt(EditLine *editor, char *(*prompt)(EditLine *)) {
    el_set(editor, EL_PROMPT, prompt);
}
static inline void cedit_set_reader(EditLine *editor, int (*reader)(EditLine *, wchar_t *)) {
    el_set(editor, EL_GETCFN, reader);
}
/* Emacs keys; Ctrl-C is a key of ours and not a signal while the line is edited. */
static inline void cedit_set_keys(EditLine *editor, unsigned char (*interrupt)(EditLine *, int)) {
    el_set(editor, EL_EDITOR, "emacs");
    el_set(editor, EL_SIGNAL, 0);
    el_set(editor, EL_SETTY, "-d", "-isig", NULL);
    el_set(editor, EL_ADDFN, "interrupt", "leave the line", interrupt);
    el_set(editor, EL_BIND, "^C", "interrupt", NULL);
    el_set(editor, EL_BIND, "^R", "em-inc-search-prev", NULL);
}
/* Keys come one by one from now on, not only once the prompt is shown: a Ctrl-D in between would be lost. */
static inline void cedit_prepare(EditLine *editor) { el_set(editor, EL_PREP_TERM, 1); }
static inline void cedit_refresh(EditLine *editor) { el_set(editor, EL_REFRESH); }
static inline History *cedit_history_init(EditLine *editor, int size) {
    HistEvent event;
    History *made = history_init();
    if (made == NULL) return NULL;
    history(made, &event, H_SETSIZE, size);
    history(made, &event, H_SETUNIQUE, 1);
    el_set(editor, EL_HIST, history, made);
    return made;
}
static inline void cedit_history_add(History *past, const char *line) {
    HistEvent event;
    history(past, &event, H_ENTER, line);
}
static inline int cedit_history_load(History *past, const char *path) {
    HistEvent event;
    return history(past, &event, H_LOAD, path);
}
static inline int cedit_history_save(History *past, const char *path) {
    HistEvent event;
    return history(past, &event, H_SAVE, path);
}
