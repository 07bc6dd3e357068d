//! The machinery itself, as far as no test of the full screen needs it: a program asks the terminal
//! something and is answered.

use hubbub_tests::Terminal;

#[test]
fn a_program_that_asks_where_the_cursor_is_gets_an_answer() {
    let script = r"stty raw -echo; printf '\033[3;5H\033[6n'; head -c 6 | cat -v; sleep 20";
    let terminal = Terminal::builder().program("sh").args(["-c", script]).size(6, 30).start();
    terminal.sees("^[[3;5R");
}
